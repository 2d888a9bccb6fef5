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
      to_right = uper(left.c)
      to_left  = nonsense(right.c)
    }
    column "d" {
      to_right = "${left.d} ${timestamp()}"
      to_left  = "${right.d} ${env("HOME")}"
    }
    column "e" {
      to_right = upper(left.e, left.f)
      to_left  = substr(right.e, "a", 1)
    }
  }
}
