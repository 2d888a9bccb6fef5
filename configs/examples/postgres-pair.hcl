# Two PostgreSQL servers that hold the same shop, kept the same both ways.
#
#   cdcsync check postgres-pair.hcl     reads this file only
#   cdcsync plan  postgres-pair.hcl     looks into both stores and says what would be done
#   cdcsync run   postgres-pair.hcl     keeps them the same until it is stopped

# For PostgreSQL the dsn is a URL or words, as psql takes them:
#
#   postgres://cdcsync:password@east.example.org/shop?sslrootcert=/etc/ssl/east.pem
#   host=east.example.org dbname=shop user=cdcsync password='two words'
#
# It is never printed. Here it comes from the environment: EAST_DSN has to be set.
store "east" {
  engine = "postgres"
  dsn    = env("EAST_DSN")

  # The server is always verified: it has to show a certificate for its name, signed by
  # what sslrootcert in the dsn names, or by one that this machine trusts. sslmode=verify-ca
  # takes a certificate for any name.
  #
  # insecure = true allows a connection that is not encrypted or not verified, and then
  # sslmode in the dsn says which: disable, allow, prefer or require. Without it such an
  # sslmode is a mistake. Through a unix socket none of this is needed.
  insecure = false
}

store "west" {
  engine = "postgres"
  dsn    = env("WEST_DSN")

  # What the log says of a row that is changed. "keys" leaves the replica identity of the
  # tables as it is, so only the key of the row is known before the change. "rows" sets
  # REPLICA IDENTITY FULL: the whole row before the change is in the log too, which merging
  # needs, and the server writes more. "auto" takes rows where this link needs them.
  capture = "auto"
}

link "shop" {
  left  = store.east
  right = store.west

  # Rows that are on both sides and differ at first contact: the conflict policy decides.
  initial = "merge"

  conflict {
    # Column by column, and the later commit where both changed the same column.
    policy = "merge"
  }

  # Tables of schema public go by their bare names; "public.orders" is "orders" too. Tables
  # of other schemas are written with theirs. In a pattern with a dot, what is in front of
  # it is the schema: "public.*" is all of public, "crm.*" all of crm, and "*" is all.
  tables {
    include = ["categories", "public.order*", "crm.*"]
    exclude = ["crm.import_*", "order_drafts"]
  }

  # The same table in another schema.
  table "contacts" {
    left  = "public.contacts"
    right = "sales.contacts"
  }

  table "products" {
    # A counter: what both sides added and took counts. Also: max, min.
    column "stock" { merge = "sum" }
    column "last_sold" { merge = "max" }

    # What only one side has to know.
    ignore = ["search"]
  }
}

admin {
  listen = "127.0.0.1:8480"
}
