store "a" {
  engine  = "postgres"
  dsn     = "postgres://user:CANARY@h1:5432,[::1]:5433,h3/db?sslmode=verify-full&sslrootcert=/etc/ca.pem"
  capture = "rows"
}

store "b" {
  engine   = "postgres"
  dsn      = "postgresql://%2Fvar%2Frun%2Fpostgresql/db"
  insecure = false
}

store "c" {
  engine   = "postgres"
  dsn      = "  host = 'h' user= u password='CANARY it\\'s' sslmode=disable application_name='' "
  capture  = "keys"
  insecure = true
}

store "d" {
  engine = "postgres"
  dsn    = "host=h password=${env("CDCSYNC_TEST_SECRET")} sslmode=verify-ca"
}

store "e" {
  engine = "postgres"
  dsn    = "service=shop"
}

# Another table of the same name, in another schema, and one that is called public.t.
store "f" {
  engine = "sqlite"
  dsn    = "f.db"
}

link "ab" {
  left  = store.a
  right = store.b
  conflict { policy = "merge" }
  tables { include = ["t", "crm.t", "public.*"] }
}

link "ac" {
  left      = store.a
  right     = store.c
  direction = "left_to_right"
  tables { include = ["t"] }
}

link "cd" {
  left  = store.c
  right = store.d
  table "public.t" { right = "crm.t" }
}

link "de" {
  left  = store.d
  right = store.e
  tables { include = ["*"] }
}

link "ef" {
  left  = store.e
  right = store.f
  tables { include = ["t"] }

  table "other" {
    left  = "crm.t"
    right = "public.t"
  }
}
