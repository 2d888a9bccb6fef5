store "a" {
  engine   = "sqlite"
  dsn      = "a.db"
  insecure = false
}

store "b" {
  engine   = "postgres"
  dsn      = "postgres://user:CANARY@host/db?sslmode=disable"
  insecure = "true"
}

store "c" {
  engine   = "postgres"
  dsn      = "host=h password=CANARY sslmode=disable"
  insecure = yes
}
