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

  table "t" {
    column "c" { left = "x" }
    column "c" { left = "y" }
  }
}
