CREATE TABLE customers (id integer PRIMARY KEY, email varchar(100), status text NOT NULL, credit numeric(10,2) NOT NULL, note text);
ALTER TABLE customers REPLICA IDENTITY FULL;
