store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine  = "postgres"
  dsn     = "postgres://user:CANARY@host/db"
  capture = "keys"
}

link "l" {
  left  = store.a
  right = store.b
  conflict { policy = "merge" }
  tables { include = ["t"] }
}
