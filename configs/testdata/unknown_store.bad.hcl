store "legacy" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "modern" {
  engine = "sqlite"
  dsn    = "b.db"
}

link "l" {
  left  = store.legcy
  right = store.somewhere
  tables { include = ["t"] }
}
