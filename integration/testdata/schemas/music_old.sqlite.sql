-- A music shop as it was written long ago.
CREATE TABLE tblGenre (
  GenreNo INTEGER PRIMARY KEY,
  GenreName VARCHAR(60) NOT NULL
);
CREATE TABLE tblArtist (
  ArtistNo INTEGER PRIMARY KEY,
  ArtistName VARCHAR(120) NOT NULL
);
CREATE TABLE tblAlbum (
  AlbumNo INTEGER PRIMARY KEY,
  AlbumTitle VARCHAR(160) NOT NULL,
  ArtistNo INTEGER NOT NULL,
  Released DATE,
  FOREIGN KEY (ArtistNo) REFERENCES tblArtist (ArtistNo)
);
CREATE TABLE tblTrack (
  TrackNo INTEGER PRIMARY KEY,
  TrackName VARCHAR(200) NOT NULL,
  AlbumNo INTEGER,
  GenreNo INTEGER,
  Composer VARCHAR(220),
  Milliseconds INTEGER NOT NULL,
  UnitPrice DECIMAL(10,2) NOT NULL,
  FOREIGN KEY (AlbumNo) REFERENCES tblAlbum (AlbumNo),
  FOREIGN KEY (GenreNo) REFERENCES tblGenre (GenreNo)
);
CREATE TABLE tblCust (
  CustNo INTEGER PRIMARY KEY,
  FirstName VARCHAR(40) NOT NULL,
  LastName VARCHAR(40) NOT NULL,
  Mail VARCHAR(120) NOT NULL,
  Phone VARCHAR(24),
  Country VARCHAR(40),
  Status VARCHAR(10) CHECK (Status IN ('active','blocked')) NOT NULL,
  Newsletter BOOLEAN NOT NULL
);
CREATE TABLE tblInvoice (
  InvoiceNo INTEGER PRIMARY KEY,
  CustNo INTEGER NOT NULL,
  InvoiceDate DATETIME NOT NULL,
  Total DECIMAL(10,2) NOT NULL,
  Note TEXT,
  FOREIGN KEY (CustNo) REFERENCES tblCust (CustNo)
);
CREATE TABLE tblInvoiceLine (
  InvoiceNo INTEGER NOT NULL,
  LineNo INTEGER NOT NULL,
  TrackNo INTEGER NOT NULL,
  Qty INTEGER NOT NULL,
  UnitPrice DECIMAL(10,2) NOT NULL,
  PRIMARY KEY (InvoiceNo, LineNo),
  FOREIGN KEY (InvoiceNo) REFERENCES tblInvoice (InvoiceNo),
  FOREIGN KEY (TrackNo) REFERENCES tblTrack (TrackNo)
);
CREATE TABLE tblPlaylist (
  PlaylistNo INTEGER PRIMARY KEY,
  PlaylistName VARCHAR(120) NOT NULL
);
CREATE TABLE tblPlaylistTrack (
  PlaylistNo INTEGER NOT NULL,
  TrackNo INTEGER NOT NULL,
  PRIMARY KEY (PlaylistNo, TrackNo),
  FOREIGN KEY (PlaylistNo) REFERENCES tblPlaylist (PlaylistNo),
  FOREIGN KEY (TrackNo) REFERENCES tblTrack (TrackNo)
);
