package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// sentence is an error's text, with one line and the next step in the place of what the driver says of a connection that it
// could not make: that repeats itself for each address, with and without TLS.
func sentence(err error) string {
	var connecting *pgconn.ConnectError
	if !errors.As(err, &connecting) {
		return err.Error()
	}
	return strings.Replace(err.Error(), connecting.Error(), whyUnreached(connecting), 1)
}

// whyUnreached says why a connection could not be made, and what to do. It names user, database, host and port, never the password.
func whyUnreached(err *pgconn.ConnectError) string {
	c := err.Config
	server := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	if strings.HasPrefix(c.Host, "/") {
		server = fmt.Sprintf("%s/.s.PGSQL.%d", c.Host, c.Port)
	}
	var refused *pgconn.PgError
	var name *net.DNSError
	var network net.Error
	switch {
	case errors.As(err, &refused):
		return fmt.Sprintf("the server at %s says: %s (SQLSTATE %s)%s", server, printable(refused.Message), refused.Code, afterRefusal(refused.Code))
	case errors.As(err, &name):
		return fmt.Sprintf("the host %s is not known: is the URL right?", printable(c.Host))
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ENOENT):
		return fmt.Sprintf("no server is at %s: is PostgreSQL running, and is the URL right?", server)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return fmt.Sprintf("the server at %s does not answer: is it reachable from here?", server)
	}
	lines := strings.Split(err.Unwrap().Error(), "\n")
	return fmt.Sprintf("the server at %s cannot be talked to: %s", server, printable(lines[len(lines)-1]))
}

// afterRefusal is the next step after what a server answers to a log-in.
func afterRefusal(sqlState string) string {
	switch sqlState {
	case "28P01", "28000":
		return "; check the URL's user and password (rowpass migrate up gives the logins of the gateway and the service the passwords of their URLs), and the server's pg_hba.conf"
	case "3D000":
		return "; make the database first, or name another one in the URL"
	case "53300":
		return "; raise the server's max_connections, or lower database.max_conns"
	}
	return ""
}
