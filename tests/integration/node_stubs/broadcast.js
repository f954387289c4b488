// A Node backend, with nothing but generated stubs and gRPC: broadcast.js ADDRESS KEY USER
const grpc = require("@grpc/grpc-js");
const { BroadcastToUserRequest, ControlServiceClient } = require("./carillon/v1/control");

const [address, key, userId] = process.argv.slice(2);
const client = new ControlServiceClient(address, grpc.credentials.createInsecure());
const metadata = new grpc.Metadata();
metadata.set("authorization", `Bearer ${key}`);
const request = BroadcastToUserRequest.fromPartial({ userId, event: { name: "order.shipped", value: { order: 42, by: "Zoë" } } });
const deadline = Date.now() + 30_000;

client.broadcastToUser(request, metadata, { deadline }, (error, response) => {
  console.log(JSON.stringify(error ? { code: error.code, message: error.details } : response));
  client.close();
});
