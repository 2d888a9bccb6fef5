CREATE TABLE tbl_cust (cust_id int PRIMARY KEY, mail varchar(100), state char(1) NOT NULL, credit_cents int NOT NULL);
INSERT INTO tbl_cust VALUES (1, 'ann@example.org', 'A', 1250), (2, 'bob@example.org', 'I', 0);
