store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

link "l" {
  left  = "a"
  right = stores.b
  tables { include = ["t"] }
}

link "m" {
  left  = store
  right = store.b.dsn
  tables { include = ["t"] }
}
