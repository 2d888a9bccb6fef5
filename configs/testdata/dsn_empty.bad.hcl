store "a" {
  engine = "sqlite"
  dsn    = " "
}

store "b" {
  engine = "sqlite"
  dsn    = 42
}

store "c" {
  engine = "sqlite"
  dsn    = env()
}
