store "a" {
  engine = "sqlite
  dsn    = "x.db"
}
