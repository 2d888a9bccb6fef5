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
    column "price" {
      left     = "cents"
      to_right = left.cents / 100
    }
    column "tag" { to_left = lower(right.tag) }
  }
}
