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
      to_right = left.cent / left.hundred
      to_left  = right.prise * 100
    }
  }
}
