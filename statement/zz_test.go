package statement_test
import ("testing";"strings";"time";"rowpass/statement";pg_query "github.com/wasilibs/go-pgquery")
func TestZZ(t *testing.T){
 for _, x := range [][3]string{{"select T"," in (1) is null",""}} { for _, n := range []int{5,10,20,40,80,150} {
 sql := x[0]+strings.Repeat(x[1],n)+x[2]
 t0 := time.Now(); d := statement.Depth(sql); t1:= time.Since(t0); t.Log(n, len(sql), d, statement.Parsed(sql), t1)
 if n > 25 {continue}
 t0 = time.Now(); _, err := pg_query.Parse(sql); t.Log(time.Since(t0), err)
 }}
}
