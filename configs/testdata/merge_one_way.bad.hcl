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
  direction = "right_to_left"

  table "t" {
    column "c" { merge = "sum" }
  }
}
