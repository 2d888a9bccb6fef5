log = "debug"

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
  conflict {
    policy = "latest"
  }
  table "t" {
    trigger_changes = "forward"
  }
}
