store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

link "one" {
  left  = store.a
  right = store.b
  tables { include = ["t", "u"] }
}

link "two" {
  left  = store.b
  right = store.a
  tables { include = ["t"] }
}
