import com.google.protobuf.ByteString;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.Descriptors.FileDescriptor;
import com.google.protobuf.DynamicMessage;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Collectors;

/**
 * Prints each correlated event as JSON, ids in hex, what is unknown null: `java ReadProtobufEvents.java <events.proto as FileDescriptorSet> bare|confluent <base64>…`.
 * A service would use the classes that protoc makes of events.proto.
 */
public class ReadProtobufEvents {
  /** 0, the schema's id, and the place of the message in the file, [1], as Confluent writes it. */
  static final int CONFLUENT_HEAD = 1 + 4 + 2;

  public static void main(String[] args) throws Exception {
    var files = FileDescriptorSet.parseFrom(Files.readAllBytes(Path.of(args[0])));
    var type = FileDescriptor.buildFrom(files.getFile(0), new FileDescriptor[0]).findMessageTypeByName("CorrelatedEvent");
    for (int i = 2; i < args.length; i++) {
      var bytes = ByteString.copyFrom(Base64.getDecoder().decode(args[i]));
      if (args[1].equals("confluent")) bytes = bytes.substring(CONFLUENT_HEAD);
      var event = DynamicMessage.parseFrom(type, bytes);
      if (!event.getUnknownFields().asMap().isEmpty()) throw new IllegalArgumentException("fields that events.proto does not have");
      System.out.println(json(event));
    }
  }

  static String json(Object value) {
    if (value instanceof DynamicMessage message)
      return message.getDescriptorForType().getFields().stream()
          .map(field -> "\"" + field.getName() + "\":" + (known(message, field) ? json(message.getField(field)) : "null"))
          .collect(Collectors.joining(",", "{", "}"));
    if (value instanceof List<?> list) return list.stream().map(ReadProtobufEvents::json).collect(Collectors.joining(",", "[", "]"));
    if (value instanceof ByteString bytes) return "\"" + HexFormat.of().formatHex(bytes.toByteArray()) + "\"";
    if (value instanceof String text) return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    return String.valueOf(value);
  }

  static boolean known(DynamicMessage message, FieldDescriptor field) {
    return !field.hasPresence() || message.hasField(field);
  }
}
