/* The certified OpenID provider `oidc-provider` on loopback. Its one argument is JSON:
   port, client (id, secret, the address to return to), and users, a file with the claims of each person. */
import { readFileSync } from "node:fs";
import Provider from "oidc-provider";

const { port, client, users } = JSON.parse(process.argv[2]);

const provider = new Provider(`http://localhost:${port}`, {
  clients: [{ ...client, grant_types: ["authorization_code"], response_types: ["code"] }],
  claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
  scopes: ["openid", "groups"],
  pkce: { required: () => true },
  cookies: { keys: ["of this process alone"] },
  async findAccount(_context, sub) {
    const claims = JSON.parse(readFileSync(users, "utf8"))[sub];
    return claims && { accountId: sub, claims: async () => ({ sub, ...claims }) };
  },
});
provider.listen(port, "127.0.0.1");
