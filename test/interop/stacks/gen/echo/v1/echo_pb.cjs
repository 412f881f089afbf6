// Written by hand in the shape of what protoc-gen-js 4 (`protoc --js_out=import_style=commonjs`) writes for echo/v1/echo.proto: neither tool can be had from npm without a
// download of its own. The messages are those of google-protobuf.

var jspb = require('google-protobuf');
var goog = jspb;
var global = globalThis;

goog.exportSymbol('proto.echo.v1.CountRequest', null, global);
goog.exportSymbol('proto.echo.v1.CountResponse', null, global);
goog.exportSymbol('proto.echo.v1.SayRequest', null, global);
goog.exportSymbol('proto.echo.v1.SayResponse', null, global);

proto.echo.v1.CountRequest = function(opt_data) {
  jspb.Message.initialize(this, opt_data, 0, -1, null, null);
};
goog.inherits(proto.echo.v1.CountRequest, jspb.Message);
if (goog.DEBUG && !COMPILED) {
  proto.echo.v1.CountRequest.displayName = 'proto.echo.v1.CountRequest';
}

if (jspb.Message.GENERATE_TO_OBJECT) {
proto.echo.v1.CountRequest.prototype.toObject = function(opt_includeInstance) {
  return proto.echo.v1.CountRequest.toObject(opt_includeInstance, this);
};

proto.echo.v1.CountRequest.toObject = function(includeInstance, msg) {
  var f, obj = {
to: jspb.Message.getFieldWithDefault(msg, 1, 0)
  };

  if (includeInstance) {
    obj.$jspbMessageInstance = msg;
  }
  return obj;
};
}

proto.echo.v1.CountRequest.deserializeBinary = function(bytes) {
  var reader = new jspb.BinaryReader(bytes);
  var msg = new proto.echo.v1.CountRequest;
  return proto.echo.v1.CountRequest.deserializeBinaryFromReader(msg, reader);
};

proto.echo.v1.CountRequest.deserializeBinaryFromReader = function(msg, reader) {
  while (reader.nextField()) {
    if (reader.isEndGroup()) {
      break;
    }
    var field = reader.getFieldNumber();
    switch (field) {
    case 1:
      var value = reader.readUint32();
      msg.setTo(value);
      break;
    default:
      reader.skipField();
      break;
    }
  }
  return msg;
};

proto.echo.v1.CountRequest.prototype.serializeBinary = function() {
  var writer = new jspb.BinaryWriter();
  proto.echo.v1.CountRequest.serializeBinaryToWriter(this, writer);
  return writer.getResultBuffer();
};

proto.echo.v1.CountRequest.serializeBinaryToWriter = function(message, writer) {
  var f = undefined;
  f = message.getTo();
  if (f !== 0) {
    writer.writeUint32(
      1,
      f
    );
  }
};

proto.echo.v1.CountRequest.prototype.getTo = function() {
  return jspb.Message.getFieldWithDefault(this, 1, 0);
};

proto.echo.v1.CountRequest.prototype.setTo = function(value) {
  return jspb.Message.setProto3IntField(this, 1, value);
};

proto.echo.v1.CountResponse = function(opt_data) {
  jspb.Message.initialize(this, opt_data, 0, -1, null, null);
};
goog.inherits(proto.echo.v1.CountResponse, jspb.Message);
if (goog.DEBUG && !COMPILED) {
  proto.echo.v1.CountResponse.displayName = 'proto.echo.v1.CountResponse';
}

if (jspb.Message.GENERATE_TO_OBJECT) {
proto.echo.v1.CountResponse.prototype.toObject = function(opt_includeInstance) {
  return proto.echo.v1.CountResponse.toObject(opt_includeInstance, this);
};

proto.echo.v1.CountResponse.toObject = function(includeInstance, msg) {
  var f, obj = {
value: jspb.Message.getFieldWithDefault(msg, 1, 0)
  };

  if (includeInstance) {
    obj.$jspbMessageInstance = msg;
  }
  return obj;
};
}

proto.echo.v1.CountResponse.deserializeBinary = function(bytes) {
  var reader = new jspb.BinaryReader(bytes);
  var msg = new proto.echo.v1.CountResponse;
  return proto.echo.v1.CountResponse.deserializeBinaryFromReader(msg, reader);
};

proto.echo.v1.CountResponse.deserializeBinaryFromReader = function(msg, reader) {
  while (reader.nextField()) {
    if (reader.isEndGroup()) {
      break;
    }
    var field = reader.getFieldNumber();
    switch (field) {
    case 1:
      var value = reader.readUint32();
      msg.setValue(value);
      break;
    default:
      reader.skipField();
      break;
    }
  }
  return msg;
};

proto.echo.v1.CountResponse.prototype.serializeBinary = function() {
  var writer = new jspb.BinaryWriter();
  proto.echo.v1.CountResponse.serializeBinaryToWriter(this, writer);
  return writer.getResultBuffer();
};

proto.echo.v1.CountResponse.serializeBinaryToWriter = function(message, writer) {
  var f = undefined;
  f = message.getValue();
  if (f !== 0) {
    writer.writeUint32(
      1,
      f
    );
  }
};

proto.echo.v1.CountResponse.prototype.getValue = function() {
  return jspb.Message.getFieldWithDefault(this, 1, 0);
};

proto.echo.v1.CountResponse.prototype.setValue = function(value) {
  return jspb.Message.setProto3IntField(this, 1, value);
};

proto.echo.v1.SayRequest = function(opt_data) {
  jspb.Message.initialize(this, opt_data, 0, -1, null, null);
};
goog.inherits(proto.echo.v1.SayRequest, jspb.Message);
if (goog.DEBUG && !COMPILED) {
  proto.echo.v1.SayRequest.displayName = 'proto.echo.v1.SayRequest';
}

if (jspb.Message.GENERATE_TO_OBJECT) {
proto.echo.v1.SayRequest.prototype.toObject = function(opt_includeInstance) {
  return proto.echo.v1.SayRequest.toObject(opt_includeInstance, this);
};

proto.echo.v1.SayRequest.toObject = function(includeInstance, msg) {
  var f, obj = {
text: jspb.Message.getFieldWithDefault(msg, 1, "")
  };

  if (includeInstance) {
    obj.$jspbMessageInstance = msg;
  }
  return obj;
};
}

proto.echo.v1.SayRequest.deserializeBinary = function(bytes) {
  var reader = new jspb.BinaryReader(bytes);
  var msg = new proto.echo.v1.SayRequest;
  return proto.echo.v1.SayRequest.deserializeBinaryFromReader(msg, reader);
};

proto.echo.v1.SayRequest.deserializeBinaryFromReader = function(msg, reader) {
  while (reader.nextField()) {
    if (reader.isEndGroup()) {
      break;
    }
    var field = reader.getFieldNumber();
    switch (field) {
    case 1:
      var value = reader.readStringRequireUtf8();
      msg.setText(value);
      break;
    default:
      reader.skipField();
      break;
    }
  }
  return msg;
};

proto.echo.v1.SayRequest.prototype.serializeBinary = function() {
  var writer = new jspb.BinaryWriter();
  proto.echo.v1.SayRequest.serializeBinaryToWriter(this, writer);
  return writer.getResultBuffer();
};

proto.echo.v1.SayRequest.serializeBinaryToWriter = function(message, writer) {
  var f = undefined;
  f = message.getText();
  if (f.length > 0) {
    writer.writeString(
      1,
      f
    );
  }
};

proto.echo.v1.SayRequest.prototype.getText = function() {
  return jspb.Message.getFieldWithDefault(this, 1, "");
};

proto.echo.v1.SayRequest.prototype.setText = function(value) {
  return jspb.Message.setProto3StringField(this, 1, value);
};

proto.echo.v1.SayResponse = function(opt_data) {
  jspb.Message.initialize(this, opt_data, 0, -1, null, null);
};
goog.inherits(proto.echo.v1.SayResponse, jspb.Message);
if (goog.DEBUG && !COMPILED) {
  proto.echo.v1.SayResponse.displayName = 'proto.echo.v1.SayResponse';
}

if (jspb.Message.GENERATE_TO_OBJECT) {
proto.echo.v1.SayResponse.prototype.toObject = function(opt_includeInstance) {
  return proto.echo.v1.SayResponse.toObject(opt_includeInstance, this);
};

proto.echo.v1.SayResponse.toObject = function(includeInstance, msg) {
  var f, obj = {
text: jspb.Message.getFieldWithDefault(msg, 1, "")
  };

  if (includeInstance) {
    obj.$jspbMessageInstance = msg;
  }
  return obj;
};
}

proto.echo.v1.SayResponse.deserializeBinary = function(bytes) {
  var reader = new jspb.BinaryReader(bytes);
  var msg = new proto.echo.v1.SayResponse;
  return proto.echo.v1.SayResponse.deserializeBinaryFromReader(msg, reader);
};

proto.echo.v1.SayResponse.deserializeBinaryFromReader = function(msg, reader) {
  while (reader.nextField()) {
    if (reader.isEndGroup()) {
      break;
    }
    var field = reader.getFieldNumber();
    switch (field) {
    case 1:
      var value = reader.readStringRequireUtf8();
      msg.setText(value);
      break;
    default:
      reader.skipField();
      break;
    }
  }
  return msg;
};

proto.echo.v1.SayResponse.prototype.serializeBinary = function() {
  var writer = new jspb.BinaryWriter();
  proto.echo.v1.SayResponse.serializeBinaryToWriter(this, writer);
  return writer.getResultBuffer();
};

proto.echo.v1.SayResponse.serializeBinaryToWriter = function(message, writer) {
  var f = undefined;
  f = message.getText();
  if (f.length > 0) {
    writer.writeString(
      1,
      f
    );
  }
};

proto.echo.v1.SayResponse.prototype.getText = function() {
  return jspb.Message.getFieldWithDefault(this, 1, "");
};

proto.echo.v1.SayResponse.prototype.setText = function(value) {
  return jspb.Message.setProto3StringField(this, 1, value);
};

goog.object.extend(exports, proto.echo.v1);
