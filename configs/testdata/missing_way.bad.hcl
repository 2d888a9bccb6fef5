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
  direction = "left_to_right"

  table "t" {
    column "price" { to_left = right.price * 100 }
  }
}
