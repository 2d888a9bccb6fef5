-- A shop that rents films, with the table's name in the columns.
CREATE TABLE category (
  category_id INT AUTO_INCREMENT PRIMARY KEY,
  category_name VARCHAR(25) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;
CREATE TABLE actor (
  actor_id INT AUTO_INCREMENT PRIMARY KEY,
  actor_first_name VARCHAR(45) NOT NULL,
  actor_last_name VARCHAR(45) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;
CREATE TABLE film (
  film_id INT AUTO_INCREMENT PRIMARY KEY,
  film_title VARCHAR(255) NOT NULL,
  film_description TEXT,
  release_year YEAR,
  rental_rate DECIMAL(10,2) NOT NULL,
  length_minutes INT,
  rating ENUM('G','PG','R') NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;
CREATE TABLE film_actor (
  actor_id INT NOT NULL,
  film_id INT NOT NULL,
  PRIMARY KEY (actor_id, film_id),
  FOREIGN KEY (actor_id) REFERENCES actor (actor_id),
  FOREIGN KEY (film_id) REFERENCES film (film_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;
CREATE TABLE film_category (
  film_id INT NOT NULL,
  category_id INT NOT NULL,
  PRIMARY KEY (film_id, category_id),
  FOREIGN KEY (film_id) REFERENCES film (film_id),
  FOREIGN KEY (category_id) REFERENCES category (category_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;
CREATE TABLE customer (
  customer_id INT AUTO_INCREMENT PRIMARY KEY,
  first_name VARCHAR(45) NOT NULL,
  last_name VARCHAR(45) NOT NULL,
  email VARCHAR(50),
  active TINYINT(1) NOT NULL,
  create_date DATETIME NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;
CREATE TABLE inventory (
  inventory_id INT AUTO_INCREMENT PRIMARY KEY,
  film_id INT NOT NULL,
  FOREIGN KEY (film_id) REFERENCES film (film_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;
CREATE TABLE rental (
  rental_id INT AUTO_INCREMENT PRIMARY KEY,
  inventory_id INT NOT NULL,
  customer_id INT NOT NULL,
  rental_date DATETIME NOT NULL,
  return_date DATETIME,
  FOREIGN KEY (inventory_id) REFERENCES inventory (inventory_id),
  FOREIGN KEY (customer_id) REFERENCES customer (customer_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;
CREATE TABLE payment (
  payment_id INT AUTO_INCREMENT PRIMARY KEY,
  customer_id INT NOT NULL,
  rental_id INT,
  amount DECIMAL(10,2) NOT NULL,
  payment_date DATETIME NOT NULL,
  FOREIGN KEY (customer_id) REFERENCES customer (customer_id),
  FOREIGN KEY (rental_id) REFERENCES rental (rental_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;
CREATE TABLE staff_note (
  staff_note_id INT AUTO_INCREMENT PRIMARY KEY,
  body TEXT
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;
