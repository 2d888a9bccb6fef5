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
  tables { include = ["t"] }
  conflict {
    policy  = "lastest"
    deletes = "deletes_win"
  }
}
