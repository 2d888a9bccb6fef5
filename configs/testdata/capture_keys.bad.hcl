store "a" {
  engine = "sqlite"
  dsn    = "a.db"
  capture = "keys"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

link "l" {
  left  = store.a
  right = store.b
  table "t" {
    column "n" { merge = "sum" }
  }
}
