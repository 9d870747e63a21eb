module github.com/asherah-sql/asherah-sql/internal/sqlplan/oracle

go 1.26.0

replace github.com/asherah-sql/asherah-sql => ../../../

require (
	github.com/asherah-sql/asherah-sql v0.0.0-00010101000000-000000000000
	github.com/sqlc-dev/meyer v0.1.2
	github.com/sqlc-dev/oliphant v0.2.0
	golang.org/x/tools v0.52.0
	google.golang.org/protobuf v1.36.12
)
