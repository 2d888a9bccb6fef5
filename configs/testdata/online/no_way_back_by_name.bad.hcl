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
    column "full" { to_right = "${left.first} ${left.last}" }
    column "first" { to_left = split(" ", right.full)[0] }
  }
}
