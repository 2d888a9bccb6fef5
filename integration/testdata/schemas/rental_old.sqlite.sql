-- A shop that rents films, with the table's name in the columns.
CREATE TABLE category (
  category_id INTEGER PRIMARY KEY,
  category_name VARCHAR(25) NOT NULL
);
CREATE TABLE actor (
  actor_id INTEGER PRIMARY KEY,
  actor_first_name VARCHAR(45) NOT NULL,
  actor_last_name VARCHAR(45) NOT NULL
);
CREATE TABLE film (
  film_id INTEGER PRIMARY KEY,
  film_title VARCHAR(255) NOT NULL,
  film_description TEXT,
  release_year INTEGER,
  rental_rate DECIMAL(10,2) NOT NULL,
  length_minutes INTEGER,
  rating VARCHAR(5) CHECK (rating IN ('G','PG','R')) NOT NULL
);
CREATE TABLE film_actor (
  actor_id INTEGER NOT NULL,
  film_id INTEGER NOT NULL,
  PRIMARY KEY (actor_id, film_id),
  FOREIGN KEY (actor_id) REFERENCES actor (actor_id),
  FOREIGN KEY (film_id) REFERENCES film (film_id)
);
CREATE TABLE film_category (
  film_id INTEGER NOT NULL,
  category_id INTEGER NOT NULL,
  PRIMARY KEY (film_id, category_id),
  FOREIGN KEY (film_id) REFERENCES film (film_id),
  FOREIGN KEY (category_id) REFERENCES category (category_id)
);
CREATE TABLE customer (
  customer_id INTEGER PRIMARY KEY,
  first_name VARCHAR(45) NOT NULL,
  last_name VARCHAR(45) NOT NULL,
  email VARCHAR(50),
  active BOOLEAN NOT NULL,
  create_date DATETIME NOT NULL
);
CREATE TABLE inventory (
  inventory_id INTEGER PRIMARY KEY,
  film_id INTEGER NOT NULL,
  FOREIGN KEY (film_id) REFERENCES film (film_id)
);
CREATE TABLE rental (
  rental_id INTEGER PRIMARY KEY,
  inventory_id INTEGER NOT NULL,
  customer_id INTEGER NOT NULL,
  rental_date DATETIME NOT NULL,
  return_date DATETIME,
  FOREIGN KEY (inventory_id) REFERENCES inventory (inventory_id),
  FOREIGN KEY (customer_id) REFERENCES customer (customer_id)
);
CREATE TABLE payment (
  payment_id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL,
  rental_id INTEGER,
  amount DECIMAL(10,2) NOT NULL,
  payment_date DATETIME NOT NULL,
  FOREIGN KEY (customer_id) REFERENCES customer (customer_id),
  FOREIGN KEY (rental_id) REFERENCES rental (rental_id)
);
CREATE TABLE staff_note (
  staff_note_id INTEGER PRIMARY KEY,
  body TEXT
);
