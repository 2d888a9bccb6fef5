store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

store "c" {
  engine = "sqlite"
  dsn    = "c.db"
}

link "l" {
  left  = store.a
  right = store.b
  tables { include = ["t"] }
}
