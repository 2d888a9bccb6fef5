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
      to_right = split(" ", left.c)
      to_left  = { x = right.c }
    }
  }
}
