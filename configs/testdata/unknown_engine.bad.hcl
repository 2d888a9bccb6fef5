store "a" {
  engine = "sqllite"
  dsn    = "x.db"
}

store "b" {
  engine = "oracle"
  dsn    = "y.db"
}

store "c" {
  engine = 3
  dsn    = "z.db"
}

store "d" {
  engine = "postgresql"
  dsn    = "postgresql://user:CANARY@host/db"
}
