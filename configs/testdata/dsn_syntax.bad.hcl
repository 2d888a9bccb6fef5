store "a" {
  engine = "sqlite"
  dsn    = "%{CANARY}"
}
