store "a" {
  engine  = "sqlite"
  dsn     = "x.db"
  capture = "row"
}

store "b" {
  engine  = "postgres"
  dsn     = "host=h password=CANARY"
  capture = "wal"
}
