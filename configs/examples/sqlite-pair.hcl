# Two SQLite files that hold the same shop, under other names, kept the same both ways.
#
#   cdcsync check sqlite-pair.hcl     reads this file only
#   cdcsync plan  sqlite-pair.hcl     looks into both stores and says what would be done
#   cdcsync run   sqlite-pair.hcl     keeps them the same until it is stopped

# A store is one database: its engine and how to reach it. For SQLite the dsn is the path
# of the file. It is never printed. To keep it out of this file, write dsn = env("SHOP_DSN")
# or dsn = file("shop.dsn").
store "legacy" {
  engine = "sqlite"
  dsn    = "legacy.db"
}

store "modern" {
  engine = "sqlite"
  dsn    = "modern.db"

  # How changes are captured. "rows" also logs the row as it was before a change, which
  # merging needs; "keys" is lighter on the application. "auto" chooses.
  capture = "auto"
}

# A link is two stores, called left and right, and the tables kept the same between them.
link "shop" {
  left  = store.legacy
  right = store.modern

  # both, left_to_right or right_to_left.
  direction = "both"

  # What happens at first contact to rows that are on both sides and differ: left or right
  # (that side's row is taken), merge (the conflict policy decides) or none (they stay
  # different until one of them changes). Rows on one side only are copied, except with none.
  initial = "left"

  # A conflict is a row that both sides changed, neither having seen the other's change.
  conflict {
    # latest: the later commit wins. left, right: that side wins. merge: column by column,
    # and the later commit where both changed the same column. manual: the row waits for you.
    policy = "merge"

    # When one side deleted the row and the other changed it: delete_wins or update_wins.
    # Without this line the policy decides.
    deletes = "update_wins"
  }

  # Tables with the same name and the same columns on both sides. * is any text.
  tables {
    include = ["categories", "order*"]
    exclude = ["order_drafts"]
  }

  # Tables that differ have a block of their own. Columns of the same name are paired
  # without being named.
  table "customers" {
    left  = "tbl_cust"
    right = "customers"

    # Other names: the block has the right one's, left is what it is called there.
    column "id" { left = "cust_id" }
    column "email" { left = "mail" }

    # Other values, one to one, so that the way back is known: left = right.
    column "status" {
      left = "state"
      values = {
        A = "active"
        I = "inactive"
      }
    }

    # Columns that are neither read nor written, of either side.
    ignore = ["internal_note", "search_text"]
  }

  table "products" {
    left  = "tbl_prod"
    right = "products"

    column "id" { left = "prod_id" }

    # Computed values: to_right reads the left row, to_left the right one. Numbers are
    # decimals here, so cents come back as they were.
    column "price" {
      left     = "price_cents"
      to_right = left.price_cents / 100
      to_left  = round(right.price * 100)
    }

    # A counter: what both sides added and took counts. Also: max, min.
    column "stock" { merge = "sum" }

    # A table may decide its conflicts otherwise than the link.
    conflict {
      policy = "right"
    }
  }
}

# Where state and numbers can be asked for while it runs, on this machine only.
admin {
  listen = "127.0.0.1:8480"
}
