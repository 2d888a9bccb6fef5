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
    where = row.regoin == "EU"
    column "region" { left = "area" }
  }
  table "name" {
    where = row.name != "x"
    column "name" {
      left     = "name"
      to_left  = "${right.first} ${right.last}"
    }
    column "first" { to_right = split(" ", left.name)[0] }
    column "last" { to_right = split(" ", left.name)[1] }
  }
}
