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
    column "id" {
      to_right = left.id + 1
      to_left  = right.id - 1
    }
  }
}
