store "a" {
  engine = "postgres"
  dsn    = "host=h password=CANARY sslmode=verify_full"
}

store "b" {
  engine   = "postgres"
  dsn      = "postgres://user:CANARY@host/db?sslmode=CANARY"
  insecure = true
}
