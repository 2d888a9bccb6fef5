store "a" {
  engine = "postgres"
  dsn    = "postgres://user:CANARY@a/db"
}

store "b" {
  engine = "postgres"
  dsn    = "postgres://user:CANARY@b/db"
}

link "one" {
  left  = store.a
  right = store.b
  tables { include = ["t", "u"] }
}

link "two" {
  left  = store.a
  right = store.b

  table "t" {
    left  = "public.t"
    right = "public.u"
  }
  table "u" {
    left  = "public.u"
    right = "public.t"
  }
}
