store "a" {
  engine = "sqlite"
  dns    = "user:CANARY@host"
}

store "b" {
  egnine   = "sqlite"
  dsn      = "b.db"
  password = "CANARY"
}

link "l" {
  left  = store.a
  right = store.b
  directon = "both"
  tables { include = ["t"] }
}
