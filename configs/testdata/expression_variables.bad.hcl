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
      to_right = right.c
      to_left  = rihgt.c
    }
    column "d" {
      to_right = left
      to_left  = right.d.e
    }
    column "e" {
      to_right = left[0]
      to_left  = row.e
    }
    column "f" {
      to_right = store.a
      to_left  = right[right.f]
    }
  }
}
