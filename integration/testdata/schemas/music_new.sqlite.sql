-- The same music shop as one would write it today.
CREATE TABLE genres (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL
);
CREATE TABLE artists (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL
);
CREATE TABLE albums (
  id INTEGER PRIMARY KEY,
  title TEXT NOT NULL,
  artist_id INTEGER NOT NULL REFERENCES artists (id),
  released_on TEXT
);
CREATE TABLE tracks (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  album_id INTEGER REFERENCES albums (id),
  genre_id INTEGER REFERENCES genres (id),
  composer TEXT,
  milliseconds INTEGER NOT NULL,
  unit_price TEXT NOT NULL
);
CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  first_name TEXT NOT NULL,
  last_name TEXT NOT NULL,
  email TEXT NOT NULL,
  phone TEXT,
  country TEXT,
  status TEXT NOT NULL CHECK (status IN ('active', 'blocked')),
  newsletter INTEGER NOT NULL
);
CREATE TABLE invoices (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers (id),
  invoiced_at TEXT NOT NULL,
  total TEXT NOT NULL,
  note TEXT
);
CREATE TABLE invoice_lines (
  invoice_id INTEGER NOT NULL REFERENCES invoices (id),
  line_number INTEGER NOT NULL,
  track_id INTEGER NOT NULL REFERENCES tracks (id),
  quantity INTEGER NOT NULL,
  unit_price TEXT NOT NULL,
  PRIMARY KEY (invoice_id, line_number)
);
CREATE TABLE playlists (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL
);
CREATE TABLE playlist_tracks (
  playlist_id INTEGER NOT NULL REFERENCES playlists (id),
  track_id INTEGER NOT NULL REFERENCES tracks (id),
  PRIMARY KEY (playlist_id, track_id)
);
