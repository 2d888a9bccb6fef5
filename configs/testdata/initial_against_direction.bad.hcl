store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

link "l" {
  left  = store.a
  right = store.b
  direction = "left_to_right"
  initial   = "right"
  tables { include = ["t"] }
}
