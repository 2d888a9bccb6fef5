store "a" {
  engine = "postgres"
  dsn    = "postgres://user:CANARY@a/db"
}

store "b" {
  engine = "postgres"
  dsn    = "host=b password=CANARY"
}

link "one" {
  left  = store.a
  right = store.b
  tables { include = ["public.t", "u", "public.v"] }
}

link "two" {
  left  = store.b
  right = store.a
  table "public.t" {}
  tables { include = ["public.u"] }

  table "v" {
    left  = "public.v"
    right = "v"
  }
}
