store "a" {
  engine = "sqlite"
  dsn    = "postgres://user:CANARY@host/db
}

store "b" {
  engine = "sqlite"
  dsn    = "CANARY" "CANARY"
}
