-- The same shop in another style: capitals, plurals, and instants instead of local times.
CREATE TABLE "Categories" (
  "Id" INTEGER PRIMARY KEY,
  "Name" TEXT NOT NULL
);
CREATE TABLE "Actors" (
  "Id" INTEGER PRIMARY KEY,
  "FirstName" TEXT NOT NULL,
  "LastName" TEXT NOT NULL
);
CREATE TABLE "Films" (
  "Id" INTEGER PRIMARY KEY,
  "Title" TEXT NOT NULL,
  "Description" TEXT,
  "ReleaseYear" INTEGER,
  "RentalRate" TEXT NOT NULL,
  "LengthMinutes" INTEGER,
  "Rating" TEXT NOT NULL CHECK (Rating IN ('G', 'PG', 'R'))
);
CREATE TABLE "FilmActors" (
  "ActorId" INTEGER NOT NULL REFERENCES "Actors" ("Id"),
  "FilmId" INTEGER NOT NULL REFERENCES "Films" ("Id"),
  PRIMARY KEY ("ActorId", "FilmId")
);
CREATE TABLE "FilmCategories" (
  "FilmId" INTEGER NOT NULL REFERENCES "Films" ("Id"),
  "CategoryId" INTEGER NOT NULL REFERENCES "Categories" ("Id"),
  PRIMARY KEY ("FilmId", "CategoryId")
);
CREATE TABLE "Customers" (
  "Id" INTEGER PRIMARY KEY,
  "FirstName" TEXT NOT NULL,
  "LastName" TEXT NOT NULL,
  "Email" TEXT,
  "Active" INTEGER NOT NULL,
  "CreateDate" TEXT NOT NULL
);
CREATE TABLE "Inventories" (
  "Id" INTEGER PRIMARY KEY,
  "FilmId" INTEGER NOT NULL REFERENCES "Films" ("Id")
);
CREATE TABLE "Rentals" (
  "Id" INTEGER PRIMARY KEY,
  "InventoryId" INTEGER NOT NULL REFERENCES "Inventories" ("Id"),
  "CustomerId" INTEGER NOT NULL REFERENCES "Customers" ("Id"),
  "RentalDate" TEXT NOT NULL,
  "ReturnDate" TEXT
);
CREATE TABLE "Payments" (
  "Id" INTEGER PRIMARY KEY,
  "CustomerId" INTEGER NOT NULL REFERENCES "Customers" ("Id"),
  "RentalId" INTEGER REFERENCES "Rentals" ("Id"),
  "Amount" TEXT NOT NULL,
  "PaymentDate" TEXT NOT NULL
);
CREATE TABLE "AuditEntries" (
  "Id" INTEGER PRIMARY KEY,
  "Body" TEXT
);
