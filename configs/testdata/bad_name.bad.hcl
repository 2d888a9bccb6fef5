store "a b" {
  engine = "sqlite"
  dsn    = "x.db"
}

store "" {
  engine = "sqlite"
  dsn    = "y.db"
}

store "c" "d" {
  engine = "sqlite"
  dsn    = "z.db"
}
