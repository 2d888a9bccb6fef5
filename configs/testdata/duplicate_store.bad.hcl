store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

store "a" {
  engine = "sqlite"
  dsn    = "c.db"
}
