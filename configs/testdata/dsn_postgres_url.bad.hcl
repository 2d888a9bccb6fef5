store "a" {
  engine = "postgres"
  dsn    = "postgres://user:CANARY%@host/db"
}

store "b" {
  engine = "postgres"
  dsn    = "postgres://user:CAN/ARY@host/db"
}

store "c" {
  engine = "postgres"
  dsn    = "postgres://user:pass@CANARY@host/db"
}

store "d" {
  engine = "postgres"
  dsn    = "postgresql://user:CANARY@host/db?sslmode"
}
