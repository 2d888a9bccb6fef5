# What cdcsync init made of both stores. Read the comments: they say what was guessed, and what
# was left out.
#
#   cdcsync check shop.hcl     reads this file only
#   cdcsync plan  shop.hcl     looks into both stores and says what would be done
#   cdcsync run   shop.hcl     keeps them the same until it is stopped

store "left" {
  engine = "mysql"
  # user:password@tcp(host:3306)/database
  dsn = env("LEFT_DSN")
}

store "right" {
  engine = "postgres"
  dsn    = env("RIGHT_DSN")

  # Nobody verifies which server this is. Take it out once the dsn does.
  insecure = true
}

link "shop" {
  left      = store.left
  right     = store.right
  direction = "both"

  # Rows that differ when the link begins: "left" or "right" has them, "merge" decides as for a
  # conflict, "none" leaves them.
  initial = "merge"

  conflict {
    # What decides when both sides changed a row: "latest", "left", "right", "merge" (column by
    # column), or "manual".
    policy = "latest"
  }

  # The same names and columns on both sides.
  tables {
    include = [
      "vat_rate",
    ]
  }

  # Left out:
  # - Column "part" belongs to the key of table counter and is not mapped. Name it in a column
  # block, with the column of the other table.
  # table "counter" {
  # # Not kept the same:
  # # - part int, right only: nothing on the left is like it
  # }

  # Paired by likeness of their names and columns: make sure of it.
  table "customers" {
    left  = "tbl_cust"
    right = "crm.customers"

    # int -> bigint: integers below -2147483648, integers above 2147483647 do not fit on the left
    column "id" { left = "cust_no" }

    # varchar(50) -> varchar(20): texts of more than 20 characters do not fit on the right
    column "name" { left = "cust_name" }

    column "email" { left = "mail" }

    # state: enum -> text: texts other than its members do not fit on the left

    # datetime -> timestamptz: the one without a zone is taken to be UTC; paired by likeness: make
    # sure of it
    column "created_at" {
      left     = "created"
      to_left  = trimsuffix(right.created_at, "Z")
      to_right = "${trimsuffix(left.created, "Z")}Z"
    }

    # Not kept the same:
    # - internal text, left only: nothing on the right is like it
    # - vip bool, right only: nothing on the left is like it
  }

  # Left out:
  # - the left table cannot be synchronized: it has no primary key
  # - the right table cannot be synchronized: it has no primary key
  # table "keyless" {
  # }

  # Left out:
  # - new rows of the right table have to come with column level, and nothing on the left is like
  # it: pair it, or give it a default
  # table "logs" {
  # # Not kept the same:
  # # - level int, right only: nothing on the left is like it
  # }

  table "order_lines" {
    left = "tbl_order_line"

    # int -> bigint: integers below -2147483648, integers above 2147483647 do not fit on the left
    column "order_id" { left = "order_no" }

    column "quantity" { left = "qty" }
  }

  table "orders" {
    left = "tbl_order"

    # int -> bigint: integers below -2147483648, integers above 2147483647 do not fit on the left
    column "id" { left = "order_no" }

    # int -> bigint: integers below -2147483648, integers above 2147483647 do not fit on the left
    column "customer_id" { left = "cust_no" }

    # total: decimal(10,2) -> numeric: numbers of more than 8 digits before the point, numbers of
    # more than 2 digits behind the point do not fit on the left

    # active: tinyint(1) -> bool: integers other than 0 and 1 do not fit on the right

    # Not kept the same:
    # - data blob, left only: text on the right, between which there is no conversion
    # - data text, right only: blob on the left, between which there is no conversion
    # - sum int, right only: it is generated, and cannot be written to
    ignore = ["data"]
  }

  # Tables of the left store that nothing on the right is like:
  #   tbl_scratch

  # Tables of the right store that nothing on the left is like:
  #   jobs
}
