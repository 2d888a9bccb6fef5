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
    column "c" {
      to_right = left.c * 1e99999
      to_left  = right.c / 1e99999
    }
  }
}
