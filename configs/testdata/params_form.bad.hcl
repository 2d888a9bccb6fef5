store "a" {
  engine = "sqlite"
  dsn    = "a.db"
}

store "b" {
  engine = "sqlite"
  dsn    = "b.db"
}

link "l" {
  left   = store.a
  right  = store.b
  params = ["EU"]

  table "t" {
    column "c" {
      to_right = left.c + link.more
      to_left  = right.c - 1
    }
  }
}
